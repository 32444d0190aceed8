// Command go is the conformance kit's guest in Go: package cases as a module.
package main

import (
	"edge/abi/guest"
	"edge/abi/tck/guests/go/cases"
)

func init() { guest.Handle(cases.Decide) }

// main is linked and never run: a plugin is a library.
func main() {}
