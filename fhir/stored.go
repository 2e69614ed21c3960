package fhir

import (
	"strconv"
	"time"
)

// Meta is what a server adds to a resource.
type Meta struct {
	ID          string
	Version     int // from 1
	LastUpdated time.Time
}

// ETag is the weak ETag of the version, such as W/"1".
// https://hl7.org/fhir/R4/http.html#concurrency
func (m Meta) ETag() string { return `W/"` + strconv.Itoa(m.Version) + `"` }

// Stored is one version of a resource as a read returns it: JSON holds the id and the meta.
type Stored struct {
	Meta
	Type string
	JSON []byte
}

// Identifier is a business identifier: a value within a system.
type Identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value"`
}

// Coding is a code of a system with its text for people.
type Coding struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}
