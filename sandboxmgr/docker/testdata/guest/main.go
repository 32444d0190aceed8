// Guest is the init of the containers in this package's tests, as a static
// program.
package main

import "edge/sandboxmgr/runtimetest"

func main() { runtimetest.GuestMain() }
