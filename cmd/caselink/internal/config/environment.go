package config

import (
	"os"
	"strings"
)

// Environment is the environment of a process by the names of its variables.
type Environment map[string]string

// Environ is the environment of this process. It is the only reader of it in the program.
func Environ() Environment {
	env := Environment{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// Get is the value of a variable; "" where there is none.
func (e Environment) Get(name string) string { return e[name] }
