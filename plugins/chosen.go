package plugins

import "edge/abi"

// chosenError is an error that the guest decided to answer with (fail): its own
// doing, and no failure of the plugin.
type chosenError struct{ e *abi.Error }

// Error is the error's own text.
func (c *chosenError) Error() string { return c.e.Error() }

// Unwrap returns the *abi.Error.
func (c *chosenError) Unwrap() error { return c.e }

// Chosen tells errors of this kind apart for those who do not know this package.
func (c *chosenError) Chosen() bool { return true }
