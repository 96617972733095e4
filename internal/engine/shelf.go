package engine

import (
	"maps"
	"slices"
)

// shelf keeps records in order. What it has lent it never changes: what is put in or taken away is noted, and all of it together makes new lists when the records are lent next. The zero value is empty.
type shelf[T any] struct {
	places []string // what the records are sorted by
	rows   []T
	noted  map[string]*T // since they were lent; nil: taken away
}

// set puts a record at its place, over what is there.
func (s *shelf[T]) set(at string, row T) { s.note(at, &row) }

// drop takes a record away, if there is one.
func (s *shelf[T]) drop(at string) { s.note(at, nil) }

func (s *shelf[T]) note(at string, row *T) {
	if s.noted == nil {
		s.noted = map[string]*T{}
	}
	s.noted[at] = row
}

// put sets the record, or drops it when it is nil.
func put[T any](s *shelf[T], at string, row any) {
	if v, ok := row.(T); ok {
		s.set(at, v)
		return
	}
	s.drop(at)
}

// lend gives the records as they are now, in order.
func (s *shelf[T]) lend() []T {
	if len(s.noted) > 0 && !s.replace() {
		s.merge()
	}
	s.noted = nil
	return s.rows
}

// replace makes the new list when no record came or went; false: one has.
func (s *shelf[T]) replace() bool {
	at := make(map[int]*T, len(s.noted))
	for place, row := range s.noted {
		i, found := slices.BinarySearch(s.places, place)
		if found != (row != nil) {
			return false
		}
		if found {
			at[i] = row
		}
	}
	if len(at) == 0 {
		return true
	}
	s.rows = slices.Clone(s.rows)
	for i, row := range at {
		s.rows[i] = *row
	}
	return true
}

// merge makes new lists of what was there and what is noted.
func (s *shelf[T]) merge() {
	places, rows := make([]string, 0, len(s.places)+len(s.noted)), make([]T, 0, len(s.rows)+len(s.noted))
	from := 0
	keep := func(to int) {
		places, rows = append(places, s.places[from:to]...), append(rows, s.rows[from:to]...)
		from = to
	}
	for _, place := range slices.Sorted(maps.Keys(s.noted)) {
		i, found := slices.BinarySearch(s.places, place)
		keep(i)
		if found {
			from++
		}
		if row := s.noted[place]; row != nil {
			places, rows = append(places, place), append(rows, *row)
		}
	}
	keep(len(s.places))
	s.places, s.rows = slices.Clip(places), slices.Clip(rows)
}

// lookup gives a reading of the records by their places, as they are now; the zero value for what is not there.
func (s *shelf[T]) lookup() func(at string) T {
	rows := s.lend()
	places := s.places
	return func(at string) (row T) {
		if i, found := slices.BinarySearch(places, at); found {
			row = rows[i]
		}
		return row
	}
}
