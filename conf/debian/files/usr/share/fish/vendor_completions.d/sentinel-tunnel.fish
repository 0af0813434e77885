sentinel-tunnel print completion fish | source
