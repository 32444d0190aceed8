// Guest is the tests' init as a program without any library, which runs on a
// root folder that has nothing.
package main

import "edge/sandboxmgr/runtimetest"

func main() { runtimetest.GuestMain() }
