// ioredis through the tunnel. It connects again by itself, and keeps commands until then.
const Redis = require("ioredis");

const redis = new Redis({
  host: process.env.REDIS_HOST || "127.0.0.1",
  port: process.env.REDIS_PORT || 6379,
  password: process.env.REDIS_PASSWORD,
});
redis.on("error", (error) => console.log("trying again: " + error.message));

async function main() {
  for (let number = 1; ; number++) {
    await redis.set("example:ioredis", number);
    console.log(number);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

main();
