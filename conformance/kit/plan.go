package kit

import (
	"fmt"
	"slices"

	"caselink.example/conformance/kit/suite"
)

// plan leaves of the suites what only asks for and what that needs, in their order.
func plan(suites []suite.Suite, only []string) ([]suite.Suite, error) {
	if len(only) == 0 {
		return suites, nil
	}
	wanted := map[string]bool{}
	for _, id := range only {
		if !want(suites, id, wanted) {
			return nil, fmt.Errorf("there is no check or group %q: caselink conformance list shows them", id)
		}
	}
	var planned []suite.Suite
	for _, s := range suites {
		part := s
		part.Groups = nil
		for _, g := range s.Groups {
			// A clone: DeleteFunc would take the checks out of the suite of the caller.
			g.Checks = slices.DeleteFunc(slices.Clone(g.Checks), func(c suite.Check) bool { return !wanted[c.ID] })
			if len(g.Checks) > 0 {
				part.Groups = append(part.Groups, g)
			}
		}
		if len(part.Groups) > 0 {
			planned = append(planned, part)
		}
	}
	return planned, nil
}

// want marks a check, or the checks of a group, and all that they depend on.
func want(suites []suite.Suite, id string, wanted map[string]bool) bool {
	found := false
	for _, s := range suites {
		for g, c := range s.Checks() {
			if c.ID != id && g.ID != id {
				continue
			}
			found = true
			if wanted[c.ID] {
				continue
			}
			wanted[c.ID] = true
			for _, need := range c.DependsOn() {
				want(suites, need, wanted)
			}
		}
	}
	return found
}
