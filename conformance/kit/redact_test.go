package kit

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"caselink.example/conformance/kit/suite"
)

func TestReportsOfARunHoldNoSecret(t *testing.T) {
	t.Parallel()
	target := startPeer(t, "scores are quantities") // a late failure shows the most
	report, err := runnerFor(t, target).Run(t.Context(), suitesFor(t, suite.RoleAdapter), nil)
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`\b999\d{7}\b`)
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	{
		for _, found := range number.FindAllString(string(raw), -1) {
			t.Errorf("the report holds the NHS number %s", found)
		}
		for _, c := range target.Clients {
			if strings.Contains(string(raw), c.Secret) {
				t.Error("the report holds a client's secret")
			}
		}
		if strings.Contains(string(raw), ".signature") {
			t.Error("the report holds a token")
		}
	}
}
