package suite

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// Files are the suites, their templates and the requirements that are built in.
//
//go:embed suites requirements.tsv
var Files embed.FS

// Suites returns the suites of a role, all of them for "", checked against each
// other, their templates and the requirements.
func Suites(role string) ([]Suite, error) { return Load(Files, role) }

// Load is Suites for other files than those that are built in.
func Load(files fs.FS, role string) ([]Suite, error) {
	requirements, err := RequirementsOf(files)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "suites/*.yaml")
	if err != nil {
		return nil, err
	}
	var suites []Suite
	for _, name := range names {
		s, err := parseSuite(files, name)
		if err != nil {
			return nil, err
		}
		// All suites are checked, whatever role is asked for: one that is never loaded would
		// rot.
		if err := s.check(files, requirements); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if role == "" || s.Role == role {
			suites = append(suites, s)
		}
	}
	// A run of nothing would pass.
	if len(suites) == 0 {
		return nil, fmt.Errorf("there is no suite for the role %q: use %s or %s", role, RoleAdapter, RoleGPSystem)
	}
	return suites, nil
}

// parseSuite reads a suite; a key that no type above has is an error.
func parseSuite(files fs.FS, name string) (Suite, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return Suite{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var s Suite
	if err := d.Decode(&s); err != nil {
		return Suite{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// TemplateFile is where a step's template stands among the files.
func TemplateFile(name string) string { return "suites/data/" + name }
