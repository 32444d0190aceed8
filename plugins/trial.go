package plugins

// Trial is a generation that serves nobody: a module is tried out in it.
type Trial struct{ gen *generation }
