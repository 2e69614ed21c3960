package kit

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// redactor takes secrets and NHS numbers out of what is reported. Each becomes a
// variable of the shell, so that a curl command works where the variable is set.
type redactor struct {
	variables map[string]string // secret -> ${NAME}
	numbers   int
}

func newRedactor() *redactor { return &redactor{variables: map[string]string{}} }

// hide replaces the secret by ${name} from now on.
func (r *redactor) hide(secret, name string) {
	if secret != "" {
		r.variables[secret] = "${" + name + "}"
	}
}

// hideNumber replaces the NHS number by a variable of its own.
func (r *redactor) hideNumber(digits string) {
	if _, known := r.variables[digits]; !known {
		r.numbers++
		r.hide(digits, fmt.Sprintf("NHS_NUMBER_%d", r.numbers))
	}
}

var (
	tenDigits = regexp.MustCompile(`\b\d{3}[ -]?\d{3}[ -]?\d{4}\b`)
	anyJWT    = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
)

// text is s without anything that must not be reported, known to the kit or not.
func (r *redactor) text(s string) string {
	// The longest first: a secret may be the beginning of another, of which the rest would
	// stay readable.
	longestFirst := slices.SortedFunc(maps.Keys(r.variables), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, secret := range longestFirst {
		s = strings.ReplaceAll(s, secret, r.variables[secret])
	}

	// Then what the kit did not know of: a token that a target sends back, and numbers in its
	// answers. Tokens before numbers, for a token may hold ten digits and would be cut in two.
	s = anyJWT.ReplaceAllString(s, "$${TOKEN}")
	return tenDigits.ReplaceAllStringFunc(s, func(found string) string {
		digits := strings.NewReplacer(" ", "", "-", "").Replace(found)
		// Ten digits with another check digit are a phone number or an id, which helps to
		// understand the report.
		if checkDigit(digits[:9]) != int(digits[9]-'0') {
			return found
		}
		r.hideNumber(digits)
		return r.variables[digits]
	})
}

// header is h without what must not be reported.
func (r *redactor) header(h http.Header) map[string][]string {
	out := map[string][]string{}
	for name, values := range h {
		for _, v := range values {
			out[name] = append(out[name], r.text(v))
		}
	}
	return out
}

var shellVariable = regexp.MustCompile(`\$\{[A-Z][A-Z0-9_]*\}`)

// quoted is a redacted text as one word of a POSIX shell, its variables left to the shell.
func quoted(s string) string {
	s = "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	return shellVariable.ReplaceAllString(s, `'"$0"'`)
}

// curl is the command that sends a redacted exchange again.
func curl(x Exchange) string {
	parts := []string{"curl -i -X " + x.Method}
	// In order, so that two reports of the same request can be compared.
	for _, name := range slices.Sorted(maps.Keys(x.Sent)) {
		for _, v := range x.Sent[name] {
			parts = append(parts, "-H "+quoted(name+": "+v))
		}
	}
	if x.Body != "" {
		parts = append(parts, "--data-binary "+quoted(x.Body))
	}
	return strings.Join(append(parts, quoted(x.URL)), " ")
}
