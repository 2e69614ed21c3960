package caseview_test

import (
	"reflect"
	"slices"
	"testing"

	"caselink.example/connectors/api/caseview"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/cases/casestest"
)

// leftOut are the fields of a case that are not shown, by decision.
var leftOut = []string{}

func TestEveryFieldOfACaseIsShown(t *testing.T) {
	t.Parallel()
	shown(t, "Case", reflect.TypeFor[cases.Case](), reflect.TypeFor[caseview.Case]())
	casestest.NoFieldIsEmpty(t, "Case", caseview.Of(casestest.Full()))
}

// shown reports the fields of the domain that the view has not.
func shown(t *testing.T, path string, domain, view reflect.Type) {
	t.Helper()
	for domain.Kind() == reflect.Pointer || domain.Kind() == reflect.Slice {
		domain, view = domain.Elem(), view.Elem()
	}
	if domain.Kind() != reflect.Struct || domain == view {
		return // a value, or a type that both have
	}
	for f := range domain.Fields() {
		at := path + "." + f.Name
		if slices.Contains(leftOut, at) {
			continue
		}
		counterpart, ok := view.FieldByName(f.Name)
		if !ok {
			t.Errorf("%s is not shown: give the view the field, or name it in leftOut", at)
			continue
		}
		shown(t, at, f.Type, counterpart.Type)
	}
}
