package cases

import "time"

// Filter narrows a list of cases. Its zero value is every case of the caller's services.
type Filter struct {
	Status       State
	Need         string // a category, such as housing
	Sensitive    bool   // Need also finds needs that are sensitive
	Service      string
	ChangedSince time.Time
	Limit        int    // how many cases a page holds; 0 is 50
	Cursor       string // of the page before; "" for the first
}
