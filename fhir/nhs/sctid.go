package nhs

import (
	"strings"

	"caselink.example/fhir"
)

// SCTID is a SNOMED CT identifier that is well formed: 6 to 18 digits, a known
// partition, a check digit that holds. It need not be in any release. ParseSCTID
// alone makes one. https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification
type SCTID string

// partitions are the last three digits but one: short and long form of concept,
// description and relationship.
const partitions = "00 01 02 10 11 12"

// ParseSCTID reads a SNOMED CT identifier. The error is fhir.IssueCodeInvalid and
// says what is wrong.
func ParseSCTID(s string) (SCTID, error) {
	switch {
	case len(s) < 6 || len(s) > 18:
		return "", fhir.Errorf(fhir.IssueCodeInvalid, "a SNOMED CT identifier has 6 to 18 digits, this has %d characters", len(s))
	case strings.Trim(s, "0123456789") != "" || s[0] == '0':
		return "", fhir.Errorf(fhir.IssueCodeInvalid, "a SNOMED CT identifier is digits only and does not begin with 0")
	// The check digit before the partition: damage is reported as damage, with its usual cause.
	case verhoeff(s) != 0:
		return "", fhir.Errorf(fhir.IssueCodeInvalid,
			"the SNOMED CT identifier fails its check digit; send codes as text: a spreadsheet turns the 16th digit into 0")
	case !strings.Contains(partitions, s[len(s)-3:len(s)-1]):
		return "", fhir.Errorf(fhir.IssueCodeInvalid, "the SNOMED CT identifier names neither a concept, a description nor a relationship")
	}
	return SCTID(s), nil
}

// RepairSCTID returns the identifier that s was before a spreadsheet kept 15 digits
// of it: 16 digits, the last a 0 that fails the check. A repair is a suggestion for
// a person; ok is false for any other damage.
func RepairSCTID(s string) (id SCTID, ok bool) {
	if len(s) != 16 || s[15] != '0' || strings.Trim(s, "0123456789") != "" || verhoeff(s) == 0 {
		return "", false
	}
	// The check digit is what the spreadsheet lost, so one digit alone can be right.
	for digit := byte('1'); digit <= '9'; digit++ {
		if id, err := ParseSCTID(s[:15] + string(digit)); err == nil {
			return id, true
		}
	}
	return "", false
}

// verhoeff is 0 for digits whose last is their Verhoeff check digit: multiplication
// in the dihedral group D5, permuted by position.
func verhoeff(digits string) byte {
	var c byte
	for i := range len(digits) {
		c = dihedral[c][permutation[i%8][digits[len(digits)-1-i]-'0']]
	}
	return c
}

var dihedral = [10][10]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
	{2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
	{4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
	{6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
	{8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
}

var permutation = [8][10]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
	{5, 8, 0, 3, 7, 9, 6, 1, 4, 2}, {8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
	{9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
	{2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
}
