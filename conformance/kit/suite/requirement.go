package suite

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Requirement is one thing that a system of a role SHALL or SHOULD do.
type Requirement struct {
	ID       string `json:"id"`
	Strength string `json:"strength"` // SHALL or SHOULD: https://www.rfc-editor.org/rfc/rfc2119
	Text     string `json:"text"`
	Clause   string `json:"clause"`           // URL of the clause
	Source   string `json:"source"`           // whose clause it is
	Reason   string `json:"reason,omitempty"` // why no check verifies it; "" when one must
}

const requirementsHeader = "id\tstrength\ttext\tclause\tsource\treason"

// Requirements returns all requirements, in the order of requirements.tsv.
func Requirements() ([]Requirement, error) { return RequirementsOf(Files) }

// RequirementsOf reads requirements.tsv of the files.
func RequirementsOf(files fs.FS) ([]Requirement, error) {
	raw, err := fs.ReadFile(files, "requirements.tsv")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if lines[0] != requirementsHeader {
		return nil, fmt.Errorf("requirements.tsv must begin with the line %q", requirementsHeader)
	}
	var all []Requirement
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		// Only the reason may be empty. A requirement without a clause is somebody's wish.
		whole := len(f) == 6 && f[0] != "" && f[2] != "" && strings.HasPrefix(f[3], "https://") && f[4] != ""
		if !whole || f[1] != "SHALL" && f[1] != "SHOULD" {
			return nil, fmt.Errorf("requirements.tsv line %d: "+
				"id, SHALL or SHOULD, text, https clause, source and reason, with tabs between them", i+2)
		}
		if slices.ContainsFunc(all, func(r Requirement) bool { return r.ID == f[0] }) {
			return nil, fmt.Errorf("requirements.tsv line %d: %s is there twice", i+2, f[0])
		}
		all = append(all, Requirement{ID: f[0], Strength: f[1], Text: f[2], Clause: f[3], Source: f[4], Reason: f[5]})
	}
	return all, nil
}

// Covered is a requirement and the checks that verify it.
type Covered struct {
	Requirement
	Checks []string
}

// Fault is what is wrong with the requirement's coverage; "" for nothing.
func (c Covered) Fault() string {
	switch {
	// A reason that is no longer true hides it when the check is taken away.
	case len(c.Checks) > 0 && c.Reason != "":
		return "has checks and also a reason why it has none"
	case len(c.Checks) == 0 && c.Reason == "" && c.Strength == "SHALL":
		return "has neither a check nor a written reason"
	}
	return ""
}

// Coverage says which checks of the suites verify each requirement.
func Coverage(requirements []Requirement, suites []Suite) []Covered {
	out := make([]Covered, len(requirements))
	for i, r := range requirements {
		out[i].Requirement = r
		for _, s := range suites {
			for _, c := range s.Checks() {
				if slices.Contains(c.Verifies, r.ID) {
					out[i].Checks = append(out[i].Checks, c.ID)
				}
			}
		}
	}
	return out
}
