package store

import (
	"caselink.example/fhir"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/cases/casestest"
)

// DocumentVersion is the version of the documents that are written.
const DocumentVersion = documentVersion

// FullOf is the full case as a document of the version can hold it: without the fields that
// came later. Versions 0 and 1 differ by the number alone.
func FullOf(int) cases.Case { return casestest.Full() }

// SelectCases gives the tests of plans the query of a page.
func SelectCases(scope fhir.Scope, f cases.Filter) (query string, args []any, err error) {
	after, err := readCursor(f.Cursor)
	if err != nil {
		return "", nil, err
	}
	query, args = selectCases(scope, f, after)
	return query, args, nil
}

// CursorOf is the cursor of the page after a case.
func CursorOf(c cases.Case) string { return caseCursor{c.ReceivedAt, UUID(c.ID).Bytes}.String() }
