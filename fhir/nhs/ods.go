package nhs

import (
	"strings"

	"caselink.example/fhir"
)

// ODSCode names an organisation or a site: 3 to 10 capital letters and digits, such
// as A81001. It has no check digit, so only a directory knows whether it is in use.
// ParseODSCode alone makes one, and storage reads back what it made.
type ODSCode string

// ParseODSCode reads an ODS code in either case, with spaces around it or within.
// The error is fhir.IssueUnacceptable and says what is wrong.
func ParseODSCode(s string) (ODSCode, error) {
	// Only spaces are dropped: another sign in it is a mistake that a person should see.
	code := []byte(strings.ReplaceAll(s, " ", ""))
	if len(code) < 3 || len(code) > 10 {
		return "", fhir.Errorf(fhir.IssueUnacceptable, "ODS code has %d characters; send 3 to 10 letters and digits", len(code))
	}
	for i, c := range code {
		switch {
		case 'a' <= c && c <= 'z':
			code[i] = c - 'a' + 'A'
		case (c < 'A' || c > 'Z') && (c < '0' || c > '9'):
			return "", fhir.Errorf(fhir.IssueUnacceptable,
				"ODS code has a character that is neither letter nor digit; send 3 to 10 letters and digits")
		}
	}
	return ODSCode(code), nil
}
