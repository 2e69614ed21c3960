package auth

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// digest stands for a token, so that memory holds no tokens.
type digest = [sha256.Size]byte

// verified is a token that was found good.
type verified struct {
	digest    digest
	principal Principal
	issuer    *issuer
	keys      *[]key // that it was verified with: it is good while they are in force
}

// cache remembers the verified tokens that were used last. It holds no refusals: what
// is refused now may be good as soon as the issuer recovers.
type cache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *verified, the last used in front
	items map[digest]*list.Element
}

func newCache(max int) *cache {
	return &cache{max: max, order: list.New(), items: map[digest]*list.Element{}}
}

// get returns nil when the token is not known.
func (c *cache) get(d digest) *verified {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[d]
	if !ok {
		return nil
	}
	c.order.MoveToFront(element)
	return element.Value.(*verified)
}

// put adds or replaces, and forgets the token that was used longest ago.
func (c *cache) put(v *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.items[v.digest]; ok {
		element.Value = v
		c.order.MoveToFront(element)
		return
	}
	c.items[v.digest] = c.order.PushFront(v)

	// Bounded by the number used last and not by age, which Verify checks in any case.
	if c.order.Len() > c.max {
		oldest := c.order.Remove(c.order.Back()).(*verified)
		delete(c.items, oldest.digest)
	}
}
