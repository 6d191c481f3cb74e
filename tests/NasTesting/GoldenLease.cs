using System;

namespace NasTesting;

/// <summary>The unpacked images of a golden volume, in use until disposed.</summary>
public sealed class GoldenLease : IDisposable
{
    readonly string _name;
    bool _returned;

    internal GoldenLease(string name, string[] paths)
    {
        _name = name;
        Paths = paths;
    }

    /// <summary>Sparse files in volume order; read-only.</summary>
    public string[] Paths { get; }

    public void Dispose() => Return(keep: false);

    internal void Keep() => Return(keep: true);

    void Return(bool keep)
    {
        if (_returned) { return; }
        _returned = true;
        GoldenData.Return(_name, keep);
    }
}
