module tools

go 1.24

require github.com/docker/buildx v0.29.1
