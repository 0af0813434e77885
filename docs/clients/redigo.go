// redigo through the tunnel. Its pool drops a connection that had an error, and the next one leads on.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/gomodule/redigo/redis"
)

func env(name, otherwise string) string {
	if text := os.Getenv(name); text != "" {
		return text
	}
	return otherwise
}

func main() {
	address := env("REDIS_HOST", "127.0.0.1") + ":" + env("REDIS_PORT", "6379")
	pool := &redis.Pool{
		MaxIdle: 4,
		Dial: func() (redis.Conn, error) {
			return redis.Dial("tcp", address, redis.DialPassword(os.Getenv("REDIS_PASSWORD")),
				redis.DialConnectTimeout(2*time.Second),
				redis.DialReadTimeout(15*time.Second)) // longer than `hold` (10 s) of the tunnel
		},
	}
	for number := 1; ; number++ {
		for !set(pool, number) {
			time.Sleep(200 * time.Millisecond)
		}
		fmt.Println(number)
		time.Sleep(100 * time.Millisecond)
	}
}

func set(pool *redis.Pool, number int) bool {
	connection := pool.Get()
	defer connection.Close()
	if _, err := connection.Do("SET", "example:redigo", number); err != nil {
		fmt.Println("trying again:", err)
		return false
	}
	return true
}
