"""redis-py through the tunnel. Its own retry is enough: what fails is sent again, over a new connection."""
import itertools
import os
import time

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

client = redis.Redis(host=os.environ.get("REDIS_HOST", "127.0.0.1"), port=int(os.environ.get("REDIS_PORT", "6379")),
                     password=os.environ.get("REDIS_PASSWORD"), socket_timeout=15,
                     retry=Retry(ExponentialBackoff(cap=1, base=0.05), 5),
                     retry_on_error=[redis.ConnectionError, redis.TimeoutError])

for number in itertools.count(1):
    client.set("example:redis_py", number)
    print(number, flush=True)
    time.sleep(0.1)
