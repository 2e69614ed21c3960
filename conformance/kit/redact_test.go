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
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}

	for _, found := range regexp.MustCompile(`\b999\d{7}\b`).FindAllString(string(raw), -1) {
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

func TestRedactionKeepsNoSecret(t *testing.T) {
	t.Parallel()
	r := newRedactor()
	r.hide("s3cret-token", "TOKEN_PRACTICE")
	r.hide("s3cret", "CLIENT_SECRET")
	number, other := freshNHSNumber("s", "a", 0), freshNHSNumber("s", "b", 0)
	r.hideNumber(number)
	spaced := other[:3] + " " + other[3:6] + " " + other[6:]
	in := "Bearer s3cret-token, s3cret, " + number + " and " + spaced +
		", eyJhbGciOiJFUzI1NiJ9.e30.c2ln, 01632 960123, 1234567891"

	got := r.text(in)

	want := "Bearer ${TOKEN_PRACTICE}, ${CLIENT_SECRET}, ${NHS_NUMBER_1} and ${NHS_NUMBER_2}" +
		", ${TOKEN}, 01632 960123, 1234567891"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCurlLeavesSecretsToTheShell(t *testing.T) {
	t.Parallel()
	got := curl(Exchange{
		Method: "POST", URL: "http://h/a?b=${NHS_NUMBER_1}", Body: `{"it's":"${NHS_NUMBER_1}"}`,
		Sent: map[string][]string{"Authorization": {"Bearer ${TOKEN_PRACTICE}"}, "Accept": {"a/b"}},
	})
	want := `curl -i -X POST -H 'Accept: a/b' -H 'Authorization: Bearer '"${TOKEN_PRACTICE}"''` +
		` --data-binary '{"it'\''s":"'"${NHS_NUMBER_1}"'"}' 'http://h/a?b='"${NHS_NUMBER_1}"''`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
