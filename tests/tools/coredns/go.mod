module tools

go 1.24.0

godebug default=go1.24

require github.com/coredns/coredns v1.12.4
