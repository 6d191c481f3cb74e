namespace NasTidy;

/// <summary>One breach of a rule: where, what was found, and what to do about it.</summary>
public sealed record Finding(string Place, string What, string Remedy)
{
    public override string ToString() => $"{Place}: {What}. {Remedy}.";
}
