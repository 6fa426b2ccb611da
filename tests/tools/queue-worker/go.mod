module tools

go 1.24

require github.com/openfaas/nats-queue-worker v0.0.0-20230117214128-3615ccb286cc
