"""Files for the host: a unit, a crontab, log rotation, alerts, a dashboard, completion. Values in, text out."""
