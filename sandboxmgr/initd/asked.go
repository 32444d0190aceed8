package initd

import (
	"os"

	"edge/sandboxmgr/initrelay"
)

// envToken is the environment variable with the token, which every init has.
const envToken = envPrefix + "TOKEN"

// Asked tells whether the arguments that follow "init" on an edge's command line
// are an edge's, which wants Main, and not a person's: edge init is for people
// as well.
func Asked(args []string) bool {
	return len(args) == 0 && os.Getenv(envToken) != "" || len(args) == 1 && args[0] == initrelay.Command
}
