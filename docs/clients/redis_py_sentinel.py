"""redis-py's own way to a Redis with Sentinels: their addresses, the name, and a loop for the time in between."""
import itertools
import os
import time

import redis
from redis.sentinel import Sentinel

addresses = os.environ.get("REDIS_SENTINELS", "127.0.0.1:26379").split(",")
sentinel = Sentinel([address.split(":") for address in addresses], socket_timeout=0.5,
                    # Another password than that of Redis, or none; the time-out is not taken over.
                    sentinel_kwargs={"password": os.environ.get("SENTINEL_PASSWORD"), "socket_timeout": 0.5},
                    password=os.environ.get("REDIS_PASSWORD"))
client = sentinel.master_for(os.environ.get("REDIS_NAME", "mymaster"), socket_timeout=0.5)

for number in itertools.count(1):
    while True:
        try:
            client.set("example:redis_py_sentinel", number)
            break
        # The second: a pooled connection to a master of before.
        except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
            print("trying again: %s" % error, flush=True)
            time.sleep(0.2)
    print(number, flush=True)
    time.sleep(0.1)
