package main

import (
	"encoding/json"
	"io"
)

// writeJSON writes a value for people to read.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
