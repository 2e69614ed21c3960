package nhs

import (
	"log/slog"

	"caselink.example/fhir"
)

// Number is an NHS number that passes its modulus 11 check: ten digits. ParseNumber
// alone makes one, and storage reads back what it made. That the check passes does not say
// whose number it is.
// https://www.datadictionary.nhs.uk/attributes/nhs_number.html
type Number string

// ParseNumber reads an NHS number, with or without spaces and hyphens between the
// digits. The error is fhir.IssueUnacceptable and says what is wrong.
func ParseNumber(s string) (Number, error) {
	digits, err := digitsOf(s)
	if err != nil {
		return "", err
	}
	if !mod11(digits) {
		return "", fhir.Errorf(fhir.IssueUnacceptable,
			"NHS number fails its modulus 11 check; check for mistyped or swapped digits, or leave the identifier out")
	}
	return Number(digits), nil
}

// digitsOf strips spaces and hyphens; what is left must be ten digits.
func digitsOf(s string) (string, error) {
	// People write it as 999 000 0018. Only ASCII digits count: others look alike and compare
	// as different people.
	kept := make([]byte, 0, 10)
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '-':
		case c < '0' || c > '9':
			return "", fhir.Errorf(fhir.IssueUnacceptable, "NHS number has a character that is not a digit; send ten digits")
		case len(kept) == 10:
			return "", fhir.Errorf(fhir.IssueUnacceptable, "NHS number has more than 10 digits; send ten digits")
		default:
			kept = append(kept, c)
		}
	}
	if len(kept) < 10 {
		return "", fhir.Errorf(fhir.IssueUnacceptable, "NHS number has %d digits; send ten digits", len(kept))
	}
	if len(s) == 10 {
		return s, nil
	}
	return string(kept), nil
}

// mod11 weighs the first nine digits 10 to 2; the tenth is 11 less the remainder,
// where 11 counts as 0 and 10 is never issued.
func mod11(digits string) bool {
	sum := 0
	for i := range 9 {
		sum += int(digits[i]-'0') * (10 - i)
	}

	// check may be 10, and no digit is: a number whose check would be 10 does not exist. To
	// count it as 0 would let through one in eleven of the numbers that end in 0.
	check := (11 - sum%11) % 11
	return check == int(digits[9]-'0')
}

// LogValue is what slog writes in place of a number that is an attribute's value. It does
// not reach into a struct that holds one.
func (n Number) LogValue() slog.Value { return slog.StringValue("[NHS number]") }
