# redis-rb through the tunnel. The time-out for replies is longer than `hold` (10 s) of the tunnel.
require "redis"

$stdout.sync = true
redis = Redis.new(host: ENV.fetch("REDIS_HOST", "127.0.0.1"), port: ENV.fetch("REDIS_PORT", "6379").to_i,
                  password: ENV["REDIS_PASSWORD"], read_timeout: 15, reconnect_attempts: 5)

(1..).each do |number|
  begin
    redis.set("example:ruby", number)
  rescue Redis::BaseConnectionError, Redis::CommandError => error
    puts "trying again: #{error.message}"
    sleep 0.2
    retry
  end
  puts number
  sleep 0.1
end
