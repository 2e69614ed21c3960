package kit

import "testing"

func TestSuitesAreSound(t *testing.T) {
	t.Parallel()
	suites, err := Suites("")
	if err != nil {
		t.Fatal(err)
	}
	if len(suites) != 2 {
		t.Errorf("%d suites, want 2", len(suites))
	}
}
