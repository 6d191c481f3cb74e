using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using NasCore.Ondisk;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Ondisk;

/// <summary>
/// docs/FORMAT.md describes exactly the structures of src/NasCore/Ondisk: sizes, offsets, no field missing on either
/// side, no gap in a table.
/// </summary>
public sealed partial class FormatDocumentTests
{
    sealed record Row(int Offset, int Bytes, string Field);
    sealed record Table(string Type, int Bytes, List<Row> Rows);

    static readonly List<Table> s_tables = Parse(File.ReadAllText(
        Path.Combine(GoldenData.RepositoryRoot, "docs", "FORMAT.md")));

    public static IEnumerable<object[]> TypeNames() => s_tables.Select(t => new object[] { t.Type });

    [Fact]
    public void Every_on_disk_structure_has_a_table()
    {
        IEnumerable<string> inCode = typeof(VolumeOndisk).Assembly.GetTypes()
            .Where(t => t.Namespace == typeof(VolumeOndisk).Namespace && t.IsValueType && !t.IsEnum
                && t.GetCustomAttribute<InlineArrayAttribute>() is null && t.IsPublic)
            .Select(t => t.Name);
        Assert.Equal(inCode.Order(), s_tables.Select(t => t.Type).Order());
    }

    [Theory, MemberData(nameof(TypeNames))]
    public void Structure_lies_on_the_medium_as_documented(string typeName)
    {
        Table table = s_tables.Single(t => t.Type == typeName);
        Type type = typeof(VolumeOndisk).Assembly.GetType(typeof(VolumeOndisk).Namespace + "." + typeName)!;
        FieldInfo[] fields = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        Assert.Equal(fields.Select(f => f.Name).Order(), table.Rows.Select(r => r.Field).Order());

        // Bytes that differ everywhere show where a field really lies, whatever it consists of.
        byte[] noise = new byte[table.Bytes];
        new Random(1).NextBytes(noise);
        object value = Call(nameof(FromBytes), type, noise);
        int end = 0;
        foreach (Row row in table.Rows)
        {
            Assert.Equal(end, row.Offset);
            FieldInfo field = fields.Single(f => f.Name == row.Field);
            byte[] bytes = (byte[])Call(nameof(ToBytes), field.FieldType, field.GetValue(value)!);
            Assert.True(noise.AsSpan(row.Offset, row.Bytes).SequenceEqual(bytes),
                $"{typeName}.{row.Field} does not lie at {row.Offset} with {row.Bytes} bytes");
            end += row.Bytes;
        }
        Assert.Equal(table.Bytes, end);
    }

    static object Call(string method, Type type, object argument) =>
        typeof(FormatDocumentTests).GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type).Invoke(null, [argument])!;

    static object FromBytes<T>(byte[] bytes) where T : struct
    {
        Assert.Equal(bytes.Length, Unsafe.SizeOf<T>());
        return MemoryMarshal.Read<T>(bytes);
    }

    static byte[] ToBytes<T>(object value) where T : struct
    {
        T typed = (T)value;
        byte[] bytes = new byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, in typed);
        return bytes;
    }

    static List<Table> Parse(string text)
    {
        var tables = new List<Table>();
        Table? open = null;
        foreach (string line in text.Split('\n'))
        {
            if (HeadingPattern().Match(line) is { Success: true } heading)
            {
                open = new Table(heading.Groups[1].Value, Number(heading.Groups[2]), []);
                tables.Add(open);
            }
            else if (line.StartsWith('#'))
            {
                open = null;
            }
            else if (open is not null && RowPattern().Match(line) is { Success: true } row)
            {
                open.Rows.Add(new Row(Number(row.Groups[1]), Number(row.Groups[2]), row.Groups[3].Value));
            }
        }
        return tables;
    }

    static int Number(Group group) => int.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^### `(\w+)`: (\d+) bytes$")]
    private static partial Regex HeadingPattern();

    [GeneratedRegex(@"^\| (\d+) \| (\d+) \| `(\w+)` \|")]
    private static partial Regex RowPattern();
}
