package cases_test

import (
	"fmt"
	"time"

	"caselink.example/mapping/cases"
)

// A case moves, and the case before the move stays as it was.
func ExampleCase_Move() {
	received := cases.Case{Version: 1, Status: cases.Received}
	nine := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

	accepted, err := received.Move(cases.Move{To: cases.Accepted, Actor: cases.Actor{Name: "Ola Example"}}, nine)
	if err != nil {
		panic(err)
	}

	fmt.Println("version", received.Version, received.Status)
	fmt.Println("version", accepted.Version, accepted.Status, "at", accepted.Clocks.Accepted.Format(time.TimeOnly))
	// Output:
	// version 1 received
	// version 2 accepted at 09:00:00
}

// A move that the state does not allow is refused with those that it does.
func ExampleCase_Move_illegal() {
	paused := cases.Case{Version: 7, Status: cases.OnHold}

	_, err := paused.Move(cases.Move{To: cases.Accepted, Actor: cases.Actor{Name: "Ola Example"}}, time.Now())

	fmt.Println(err)
	fmt.Println(cases.Moves(paused.Status))
	// Output:
	// conflict at to: a case that is on-hold cannot become accepted; it may become active, closed, cancelled, entered-in-error
	// [active closed cancelled entered-in-error]
}
