// Package world is what caselink dev runs: the adapter, a private PostgreSQL, an issuer and
// the GP systems of two practices, each a process of its own that is started again when it
// dies, and none of which outlives caselink dev.
//
// Begin with World, which is dev.json: the one description of a running world, for every
// other verb and for tests. Dev.Start is the order in which it comes up, part.go keeps the
// parts alive, setup.go has the fictional practices and the configurations, demo.go the
// referrals of the start, simulate.go the stand-ins themselves.
// docs/words.md defines world, adapter and simulator.
package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultFolder is where caselink dev keeps everything without --data.
const DefaultFolder = "var/dev"

// File is the name of the file, in the data folder, that says where everything is.
const File = "dev.json"

// World is DATA/dev.json: all that a client of the developer's world needs to know.
type World struct {
	FHIRBase    string            `json:"fhir_base"`
	CaseAPI     string            `json:"case_api"`
	Console     string            `json:"console"`
	Issuer      string            `json:"issuer"`
	TokenURL    string            `json:"token_url"`
	DatabaseURL string            `json:"database_url"` // the superuser's
	AdapterPID  int               `json:"adapter_pid"`
	ServeConfig string            `json:"serve_config"`
	Clients     map[string]Client `json:"clients"`
	GPSystems   map[string]string `json:"gp_systems"` // from ODS code to the base of its FHIR API
}

// Client is one client of the issuer.
type Client struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Scope   string `json:"scope"`
	ODS     string `json:"ods,omitempty"`     // its practice
	Service string `json:"service,omitempty"` // the service whose cases it works
}

// PublicURL is where clients reach the adapter.
func (w World) PublicURL() string { return w.FHIRBase[:len(w.FHIRBase)-len("/FHIR/R4")] }

// Read reads the file that a running caselink dev keeps in its data folder.
func Read(data string) (World, error) {
	path := filepath.Join(data, File)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		const advice = "start caselink dev (make run) and wait until it is ready, or name its folder with --data"
		return World{}, fmt.Errorf("there is no %s: %s", path, advice)
	}
	if err != nil {
		return World{}, err
	}
	var w World
	if err := json.Unmarshal(text, &w); err != nil {
		return World{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// write replaces dev.json in the data folder.
func (w World) write(data string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // & in a URL stays readable
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(w); err != nil {
		return err
	}
	return writeAtomically(filepath.Join(data, File), text.Bytes())
}

// Resource is a Location without its version: the answer to a repeat names the version of
// its own time. https://hl7.org/fhir/R4/http.html#create
func Resource(location string) string {
	r, _, _ := strings.Cut(location, "/_history/")
	return r
}
