// Edge-init is the program that runs as process 1 in every sandbox; package
// initd says what it does. The edge mounts it and starts it, nobody else does.
//
// As "edge-init sandbox-stage" it is what a sandbox of the process runtime is
// before that, see package stage: a small program starts sooner than the edge
// itself.
package main

import (
	"os"

	"edge/sandboxmgr/initd"
	"edge/sandboxmgr/process/stage"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == stage.Command {
		os.Exit(stage.Main(args[1:]))
	}
	os.Exit(initd.Main(args))
}
