"""The texts of the files for a Redis that Sentinel manages; what goes wrong without a line stands above it."""

REDIS = """\
# Redis of %(host)s, made by `sentinel-tunnel init --deployment`. It goes to
# /etc/redis/redis.conf. Redis itself writes to this file: Sentinel has a new
# `replicaof` saved after each failover. User redis must be able to write the file
# and its directory, or a former master starts as a master again.

# The address of this host first: before Redis 7 replicas call their master from it.
# Others reach Redis here, redis-cli on this host without -h.
bind %(host)s 127.0.0.1
port 6379

# The same two on every node, also on today's master: it will be a replica some day,
# and without masterauth it could not follow. It shows only after a failover.
requirepass %(password)s
masterauth %(password)s
%(replicaof)s
# What this node is called by: Sentinel and clients get these from the master. Behind
# NAT or in Docker: what others can reach.
replica-announce-ip %(host)s
replica-announce-port 6379

# On the disk. Else a master that crashes and is started again within
# down-after-milliseconds is still the master, is empty, and so are its replicas then.
dir /var/lib/redis
appendonly yes

# A master that is cut off from its replicas refuses writes after 10 seconds: what it
# took would be lost when it comes back. The price: with one node left of three, and
# for a second or two after a failover, writes get -NOREPLICAS.
min-replicas-to-write 1
min-replicas-max-lag 10

# Below what the host has, less what a snapshot needs: the kernel kills what takes
# too much, and it would be the master.
# maxmemory 2gb
# maxmemory-policy allkeys-lru

# systemd watches the process and keeps what it prints: journalctl -u redis-server
daemonize no
supervised no
logfile ""
"""

MASTER_ROLE = """
# The master in the beginning. There is no `replicaof`; after a failover Redis has
# added one below, and that is right.
"""

REPLICA_ROLE = """
# A replica in the beginning; Sentinel has this line changed.
replicaof %s 6379
"""

SENTINEL = """\
# Sentinel of %(host)s, made by `sentinel-tunnel init --deployment`. It goes to
# /etc/redis/sentinel.conf. Sentinel writes to this file at each failover, and keeps
# there what it has learned: user redis must be able to write the file and its
# directory. One that is owned by root, or mounted alone into a container, makes a
# failover fail with nothing but time-outs to see.

# The address of this host first: Sentinels call each other from it.
bind %(host)s 127.0.0.1
port 26379
dir /var/lib/redis

# Who may ask, and give orders. Application hosts need the port and the password.
requirepass %(password)s

# What others call this Sentinel by. Behind NAT or in Docker: what they can reach.
sentinel announce-ip %(host)s
sentinel announce-port 26379

# The master in the beginning, and how many Sentinels must miss it (the quorum). Call
# it by your application rather than %(name)s, in every file.
sentinel monitor %(name)s %(master)s 6379 %(quorum)d
# The password of Redis; without it Sentinel sees a master that is down, for ever.
sentinel auth-pass %(name)s %(password)s

# Milliseconds without a reply until a node counts as down. An outage lasts at least
# this; with 1000, a slow command or a pause of the virtual machine is one.
sentinel down-after-milliseconds %(name)s 5000
# How many replicas follow the new master at a time; the others can be read meanwhile.
sentinel parallel-syncs %(name)s 1
# A failover that did not get through is tried again after twice this (milliseconds).
sentinel failover-timeout %(name)s 10000

# systemd watches the process and keeps what it prints: journalctl -f -u redis-sentinel
# shows a failover as it goes on.
daemonize no
logfile ""
"""

UNIT = """\
# systemd unit for %(what)s, made by `sentinel-tunnel init --deployment`.
# It goes to /etc/systemd/system/%(unit)s.service, and stands for the package's own.

[Unit]
Description=%(what)s
# An address that is not there yet cannot be bound.
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/%(program)s
User=redis
Group=redis
Restart=always
RestartSec=1
LimitNOFILE=65536
# Of all on this host the kernel should not kill this one first.
OOMScoreAdjust=-500
# A snapshot at the end of a large Redis takes longer than the usual 90 seconds.
TimeoutStopSec=%(stop)s

NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectHome=yes
# Not `full` nor `strict`: they make /etc read-only, and the configuration with it.
ProtectSystem=yes

[Install]
WantedBy=multi-user.target
"""

TUNNEL = """\
# The other half, made by `sentinel-tunnel init --deployment`: for each host with an
# application, to /etc/sentinel-tunnel.ini. `sentinel-tunnel check` looks at it.

[sentinel-tunnel]
sentinels = %(sentinels)s
# The password stands in a file of its own, mode 0600, that the service's user reads.
sentinel_password_file = /etc/sentinel-tunnel.pass
# For the question whether a node is the master; clients still give their own.
redis_password_file = /etc/sentinel-tunnel.pass

[tunnel:%(name)s]
port = 6379
"""

CRON = """\
# Lines for a crontab, made by `sentinel-tunnel init --deployment`: on one or two hosts
# with an application. cron mails what a command prints, and these print nothing
# while all is well.
MAILTO=you@example.org

# Is there a master, and does it say so itself?
*/5 * * * * /usr/local/bin/sentinel-tunnel resolve %(name)s --verify -c /etc/sentinel-tunnel.ini >/dev/null
# Would a failover work? Each morning all that `sentinel-tunnel doctor` finds; for Nagios
# there is `sentinel-tunnel doctor --nagios`.
0 6 * * * out=$(/usr/local/bin/sentinel-tunnel doctor -c /etc/sentinel-tunnel.ini 2>&1) || echo "$out"
# Keeps the tunnel up, where there is no systemd.
* * * * * /usr/local/bin/sentinel-tunnel ensure -c /etc/sentinel-tunnel.ini
"""
