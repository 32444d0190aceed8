package plugins

// Grants is what a plugin may use, and nothing else.
type Grants struct {
	// Sandboxes maps a binding to the patterns of ids ("*" stands for any
	// characters) that the plugin may name.
	Sandboxes map[string][]string
	// Operations are names of operations or patterns of them ("read*"); nil is all.
	Operations []string
	// Ports are the ports of those sandboxes; nil is all.
	Ports []PortRange
	// Fetch are the hosts that fetch may reach: "api.example.com",
	// "*.example.com", with ":port" or "http://" in front where that is not 443 and
	// https, and a literal address.
	Fetch []string
	// KV is the key-value namespace; empty is none.
	KV string
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last int }
