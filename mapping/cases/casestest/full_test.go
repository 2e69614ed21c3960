package casestest_test

import (
	"reflect"
	"testing"

	"caselink.example/mapping/cases/casestest"
)

func TestFullCaseLeavesNoFieldOut(t *testing.T) {
	t.Parallel()
	full(t, "Case", reflect.ValueOf(casestest.Full()))
}

// full reports every field at or below v that is empty. Of a list the first element counts.
func full(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch {
	case v.IsZero():
		t.Errorf("%s is not set", path)
	case v.Kind() == reflect.Pointer:
		full(t, path, v.Elem())
	case v.Kind() == reflect.Slice:
		full(t, path, v.Index(0))
	case v.Kind() == reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				full(t, path+"."+field.Name, value)
			}
		}
	}
}
