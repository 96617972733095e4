package engine

import "slices"

// shelf keeps records in order. What it has lent it never changes: the first change after that is made to a copy.
type shelf[T any] struct {
	places     []string // what the records are sorted by
	rows       []T
	placesLent bool
	rowsLent   bool
}

// set puts a record at its place, over what is there.
func (s *shelf[T]) set(at string, row T) {
	i, found := slices.BinarySearch(s.places, at)
	if found {
		s.ownRows()
		s.rows[i] = row
		return
	}
	s.own()
	s.places, s.rows = slices.Insert(s.places, i, at), slices.Insert(s.rows, i, row)
}

// drop takes a record away, if there is one.
func (s *shelf[T]) drop(at string) {
	i, found := slices.BinarySearch(s.places, at)
	if !found {
		return
	}
	s.own()
	s.places, s.rows = slices.Delete(s.places, i, i+1), slices.Delete(s.rows, i, i+1)
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
	s.rowsLent = true
	return slices.Clip(s.rows)
}

// lookup gives a reading of the records by their places, as they are now; the zero value for what is not there.
func (s *shelf[T]) lookup() func(at string) T {
	s.placesLent = true
	places, rows := s.places, s.lend()
	return func(at string) (row T) {
		if i, found := slices.BinarySearch(places, at); found {
			row = rows[i]
		}
		return row
	}
}

func (s *shelf[T]) ownRows() {
	if s.rowsLent {
		s.rows, s.rowsLent = slices.Clone(s.rows), false
	}
}

func (s *shelf[T]) own() {
	s.ownRows()
	if s.placesLent {
		s.places, s.placesLent = slices.Clone(s.places), false
	}
}
