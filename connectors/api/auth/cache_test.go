package auth

import "testing"

func TestCacheForgetsWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	c := newCache(2)
	one, two, three := digest{1}, digest{2}, digest{3}
	c.put(&verified{digest: one})
	c.put(&verified{digest: two})
	c.get(one)

	c.put(&verified{digest: three})

	if c.get(one) == nil || c.get(two) != nil || c.get(three) == nil {
		t.Error("not the token that was used longest ago is gone")
	}
	if len(c.items) != 2 || c.order.Len() != 2 {
		t.Errorf("%d tokens, %d in order, want 2", len(c.items), c.order.Len())
	}
}

func TestCacheReplacesAToken(t *testing.T) {
	t.Parallel()
	c := newCache(2)
	c.put(&verified{principal: Principal{Client: "before"}})
	c.put(&verified{principal: Principal{Client: "after"}})
	if got := c.get(digest{}).principal.Client; got != "after" || c.order.Len() != 1 {
		t.Errorf("%s, %d entries", got, c.order.Len())
	}
}
