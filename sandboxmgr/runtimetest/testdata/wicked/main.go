// Wicked is the real init, and with an argument what a sandbox's own code may
// try against the init, the edge and the computer, or an init that is not what
// it should be. It needs nothing of the image.
package main

import (
	"fmt"
	"os"

	"edge/sandboxmgr/initd"
	"edge/sandboxmgr/initrelay"
)

// tenants are what processes in a sandbox try. Without an error the sandbox held.
var tenants = map[string]func(args []string) error{
	"ok":          func([]string) error { return nil },
	"trace":       trace,
	"starve":      starve,
	"signals":     signals,
	"terminate":   terminate,
	"connect":     connect,
	"descriptors": descriptors,
	"terminal":    terminal,
	"forks":       forks,
	"eat":         eat,
	"serve":       serve,
	"hang up":     hangUp,
	"daemon":      daemon,
}

// inits are those that are not what they should be. They never return.
var inits = map[string]func(){
	"garbage": garbage,
	"halves":  halves,
	"silence": silence,
	"frames":  frames,
	"unasked": unasked,
}

func main() {
	if len(os.Args) < 2 || os.Args[1] == initrelay.Command {
		os.Exit(initd.Main(os.Args[1:]))
	}
	if f := inits[os.Args[1]]; f != nil {
		f()
	}
	f := tenants[os.Args[1]]
	if f == nil {
		fmt.Printf("no such act: %s\n", os.Args[1])
		os.Exit(2)
	}
	if err := f(os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}
