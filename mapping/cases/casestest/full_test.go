package casestest_test

import (
	"testing"

	"caselink.example/mapping/cases/casestest"
)

func TestFullCaseLeavesNoFieldOut(t *testing.T) {
	t.Parallel()
	casestest.NoFieldIsEmpty(t, "Case", casestest.Full())
}
