module tools

go 1.24

require github.com/openfaas/faas-netes v0.0.0-20210915161828-91bd12070db9
