// ioredis's own way to a Redis with Sentinels: two passwords, and the name.
const Redis = require("ioredis");

const addresses = (process.env.REDIS_SENTINELS || "127.0.0.1:26379").split(",");
const redis = new Redis({
  sentinels: addresses.map((address) => {
    const [host, port] = address.split(":");
    return { host, port: Number(port) };
  }),
  name: process.env.REDIS_NAME || "mymaster",
  password: process.env.REDIS_PASSWORD,
  sentinelPassword: process.env.SENTINEL_PASSWORD, // leave it out for Sentinels without one
  maxRetriesPerRequest: null, // else a command is given up after 20 tries
  // A former master that is a replica now says so; ioredis would stay with it.
  reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
});
redis.on("error", (error) => console.log("trying again: " + error.message));

async function main() {
  for (let number = 1; ; number++) {
    await redis.set("example:ioredis_sentinel", number);
    console.log(number);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

main();
