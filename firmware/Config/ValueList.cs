using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;

namespace NasFirmware.Config;

/// <summary>A list that is equal to another with equal items, so that records of settings compare by value.</summary>
[CollectionBuilder(typeof(ValueList), nameof(ValueList.Create))]
sealed class ValueList<T>(T[] items) : IReadOnlyList<T>, IEquatable<ValueList<T>>
{
    public T this[int index] => items[index];
    public int Count => items.Length;

    public bool Equals(ValueList<T>? other) => other is not null && items.SequenceEqual(other);
    public override bool Equals(object? obj) => Equals(obj as ValueList<T>);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (T item in items) hash.Add(item);
        return hash.ToHashCode();
    }

    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)items).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => items.GetEnumerator();
}

/// <summary>Builds lists from collection expressions.</summary>
static class ValueList
{
    public static ValueList<T> Create<T>(ReadOnlySpan<T> items) => new(items.ToArray());
}
