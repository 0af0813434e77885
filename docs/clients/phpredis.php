<?php
// phpredis through the tunnel. The time-out for replies is longer than `hold` (10 s) of the tunnel.
function connect(): Redis
{
    $redis = new Redis();
    $redis->connect(getenv('REDIS_HOST') ?: '127.0.0.1', (int) (getenv('REDIS_PORT') ?: 6379), 2, null, 0, 15);
    if (getenv('REDIS_PASSWORD')) {
        $redis->auth(getenv('REDIS_PASSWORD'));
    }
    return $redis;
}

$redis = null;
for ($number = 1; ; $number++) {
    for ($done = false; !$done;) {
        try {
            $redis = $redis ?? connect();
            $done = $redis->set('example:phpredis', $number);
        } catch (RedisException $error) {
            echo 'trying again: ', $error->getMessage(), "\n";
            $redis = null;
            usleep(200000);
        }
    }
    echo $number, "\n";
    usleep(100000);
}
