// Edge-init is the program that runs as process 1 in every sandbox; package
// initd says what it does. The edge mounts it and starts it, nobody else does.
package main

import (
	"os"

	"edge/sandboxmgr/initd"
)

func main() { os.Exit(initd.Main(os.Args[1:])) }
