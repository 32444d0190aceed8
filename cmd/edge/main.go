// Command edge is a programmable front door for sandboxes.
package main

func main() {}
