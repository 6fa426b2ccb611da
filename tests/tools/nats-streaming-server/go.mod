module tools

go 1.24

require github.com/nats-io/nats-streaming-server v0.25.3
